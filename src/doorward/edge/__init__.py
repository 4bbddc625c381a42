"""The front doors: HTTP protocol, data plane, control plane, pages, probes."""
