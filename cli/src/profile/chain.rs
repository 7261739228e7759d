//! `extends`: a profile's layers stand on those of the profile that it extends.

use super::error::ProfileError;
use super::find::{Profiles, check_name, extended};
use super::layer::Layer;

/// All layers of a profile, lowest first: what it extends, then its own.
pub(crate) fn layers(profiles: &Profiles, name: &str) -> Result<Vec<Layer>, ProfileError> {
    check_name("profile", name)?;
    let mut above = profiles.own_layers(name)?;
    if above.is_empty() {
        return Err(profiles.unknown(name));
    }
    let mut names = vec![name.to_owned()];
    let mut current = name.to_owned();
    let mut own = above.clone();
    while let Some((base, place)) = extended(&current, &own) {
        let base = base.to_owned();
        let place = place.to_string();
        let circular = names.contains(&base);
        names.push(base.clone());
        if circular {
            return Err(ProfileError::Cycle { place, chain: names.join(" -> ") });
        }
        check_name("profile", &base)?;
        own = profiles.own_layers(&base)?;
        if own.is_empty() {
            return Err(ProfileError::UnknownBase { place, suggestion: profiles.known(&base), base });
        }
        above.splice(0..0, own.iter().cloned());
        current = base;
    }
    Ok(above)
}
