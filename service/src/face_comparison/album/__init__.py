"""An album: the photographs of a folder, grouped by the people in them. `cli/album.py` puts the parts together.

`files` finds images, `face_sources` detect faces (locally or through a service), `database` stores the results, and
`scanner` does this for thousands of files; `clustering` groups faces by person; `sheet`, `tables`, and `links` write
the results. The libraries that only an album needs come with the extra `album`; each has one importer.
"""
