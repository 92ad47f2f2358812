//! A cluster in memory, played by scripts and by seeds.
