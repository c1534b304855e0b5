"""VTK algorithms: reading any series that VTK reads, images, and the HyperINR Source."""
