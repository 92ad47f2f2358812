//! How this process shares its heap among its threads.

/// How many arenas the threads share. Steps and looks are rare and short: that two of them wait for each other costs
/// nothing, while glibc's usual eight arenas for each processor, each with its own free pages, cost megabytes.
const ARENAS: libc::c_int = 2;

/// Has all threads share two arenas of the heap. It is for the first lines of a program: threads that have an arena keep
/// it. False where the C library refuses, and the program only takes more memory.
#[expect(unsafe_code, reason = "a function of the C library's")]
pub fn share() -> bool {
    // SAFETY: it takes two plain numbers, and may be called at any time.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS) == 1 }
}

#[cfg(test)]
mod tests {
    //! What the C library says to it.

    #[test]
    fn the_c_library_takes_it() {
        assert!(super::share());
    }
}
