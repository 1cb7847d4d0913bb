"""Sample photographs from Python packages, and test images made from them."""
