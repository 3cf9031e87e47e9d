"""Trust-anchored personalised SALSA on arrays: kernels, bound, slate, reasons, metrics."""

from tastemesh.ranking import lean as lean
