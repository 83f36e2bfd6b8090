//! Many components, started at once.
