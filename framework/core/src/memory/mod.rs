//! The reference stores, in memory: strict about every sentence of the contracts, and nothing else.
