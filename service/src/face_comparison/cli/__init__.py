"""The commands of `face-comparison`, one module per command: each unpacks its options, delegates, and prints."""
