"""The commands of `face-comparison`, one module each. They unpack options, delegate, and print."""
