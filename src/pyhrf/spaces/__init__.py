"""Where values lie, and the files of each kind of place: volumes, meshes, CIFTI."""
