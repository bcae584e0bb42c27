//! Names of tenants.

/// The tenant of a request that names none.
pub const DEFAULT: &str = "default";

/// The longest name of a tenant, in bytes.
pub const MAX_BYTES: usize = 150;

/// A tenant name that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid tenant {0:?}: use 1 to {MAX_BYTES} of the characters a-z A-Z 0-9 ! - _ . ( )")]
pub struct InvalidTenant(pub String);

/// Checks a tenant's name, as it comes in the header `X-Scope-OrgID`. The allowed characters are those of
/// Mimir's tenant ids that need no escape in an object's key.
///
/// # Errors
/// [`InvalidTenant`] where the name is empty, too long, `.`, `..` or has another character.
pub fn check(tenant: &str) -> Result<(), InvalidTenant> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!-_.()".contains(&b);
    let fits = !tenant.is_empty() && tenant.len() <= MAX_BYTES && tenant != "." && tenant != "..";
    if fits && tenant.bytes().all(allowed) {
        Ok(())
    } else {
        Err(InvalidTenant(tenant.chars().take(MAX_BYTES).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["default", "team-a", "A_b.c(1)!"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a#b", "é", "a b", &"x".repeat(151)] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
