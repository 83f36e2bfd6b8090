//! Every rule of the attributes: what compiles, and what the compiler says when it must not.
