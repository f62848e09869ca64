"""The kernels of the native engine in C, how they are built, and the library that they make."""
