//! The lowest layer: what every profile has, whatever it says.

use super::error::ProfileError;
use super::layer::Layer;
use super::normalise::normalise;
use super::origin::Origin;
use super::shipped::DEFAULTS;

pub(crate) fn layer() -> Result<Layer, ProfileError> {
    let mut layer = Layer::parse(DEFAULTS, Origin::BuiltIn)?;
    normalise(&mut layer)?;
    Ok(layer)
}
