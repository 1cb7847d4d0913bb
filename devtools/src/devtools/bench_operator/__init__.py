"""The operator's latency and cost, measured on a real control plane."""
