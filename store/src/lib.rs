//! The cluster's shared memory: one port, three backends, and a mirror.
