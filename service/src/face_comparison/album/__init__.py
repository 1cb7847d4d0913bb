"""An album: the photographs of a folder, grouped by the people in them. `cli/album.py` puts the parts together.

`files` finds images, `face_sources` detect faces (locally or through a service), `database` keeps what was found,
`scanner` does this for thousands of files; `clustering` decides who is who; `sheet`, `tables` and `links` write the
results. The libraries that only an album needs come with the extra `album`; each has one importer.
"""
