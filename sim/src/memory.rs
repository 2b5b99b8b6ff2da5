//! How much memory this process has, as the system tells it.

/// Bytes now resident; `None` where the system does not tell.
#[must_use]
pub fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// The most bytes that ever were resident; `None` where the system does not tell.
#[must_use]
pub fn peak() -> Option<u64> {
    field("VmHWM:")
}

fn field(name: &str) -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

/// A line such as `VmRSS:     1234 kB`.
fn parse(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_and_nonsense_is_not() {
        let status = "Name:\tfilbert-sim\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(parse(status, "VmRSS:"), Some(1 << 20));
        assert_eq!(parse(status, "VmSwap:"), None);
        assert_eq!(parse("VmRSS:\tmuch\n", "VmRSS:"), None);
    }
}
