//! What only a feature of the library brings, a file each in `tests`.
