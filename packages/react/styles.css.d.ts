// Compilers check that an import for its side effects exists.
export {};
