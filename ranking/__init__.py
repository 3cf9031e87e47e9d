"""Trust-anchored personalised SALSA on arrays: kernels, bound, slate, reasons, metrics."""
