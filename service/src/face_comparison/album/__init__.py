"""An album: the photographs of a folder by the people on them. `commands/album.py` puts the parts together.

`files` finds images, `analysts` find faces (here, or by a service), `memory` keeps what was found, `survey` does it
for thousands; `people` decides who is who; `sheet`, `tables` and `links` are what is written. The libraries that only
an album needs come with the extra `album`; each has one importer.
"""
