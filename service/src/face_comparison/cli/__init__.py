"""The commands of `face-comparison`, one module each: they unpack options, delegate, and print."""
