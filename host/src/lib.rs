//! One machine: small ports to its parts, and their adapters.
