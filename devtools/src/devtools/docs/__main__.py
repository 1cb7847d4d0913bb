"""`make generate`: writes the parts of the documentation that derive from other files."""

from devtools.docs.generate import generated_files

for path, text in generated_files().items():
    path.write_text(text)
