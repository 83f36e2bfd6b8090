//! What several of the tests of factories need.
