"""`make generate`: write what of the documents is made from another file."""

from devtools.docs.generate import generated

for path, text in generated().items():
    path.write_text(text)
