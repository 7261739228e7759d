//! What a profile says: its parameters, and the sections that rpar itself reads. Reading and layering the files is
//! the business of rpar-cli's library; the sections of scheduler, launcher and transport belong to the backends.

pub mod duration;
mod param;
mod scalar;
mod sections;
pub mod size;
mod spec;

pub use param::{Param, ParamError, ParamType, ParamValue};
pub use scalar::Scalar;
pub use sections::{
    ControllerSection, EnginesSection, Place, Policy, PythonSection, RequestSection, Shape, StorageSection,
};
pub use spec::ParamSpec;
