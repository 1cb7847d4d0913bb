"""`make generate`: write what of the documents is made from another file."""

from documents.generate import generated

for path, text in generated().items():
    path.write_text(text)
