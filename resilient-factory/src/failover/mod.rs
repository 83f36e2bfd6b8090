//! Several factories for the same thing, so that none is a single point of failure.
