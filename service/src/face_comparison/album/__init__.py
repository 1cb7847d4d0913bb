"""Albums: the photographs of a folder, grouped by the people in them. `cli/album.py` connects the modules.

`files` finds images, `face_sources` detects faces (locally or through a service), `database` stores the results, and
`scanner` does this for thousands of files; `clustering` groups faces by person; `sheet`, `tables`, and `links` write
the results. The libraries that only albums need come with the extra `album`; each is imported by a single module.
"""
