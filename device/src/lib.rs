//! The devices that tensors live on: how to find them, how their failures become errors, the threads that share work,
//! and the memory that is used.
//!
//! A feature of this crate compiles a backend of Burn in: `flex`, `ndarray` and `cpu` compute on the processor, `cuda`,
//! `rocm`, `metal`, `vulkan` and `wgpu` on a GPU, `remote` on other machines.
//!
//! | to | call |
//! |---|---|
//! | find a device | [`auto`]; [`best`], which also reports the GPUs that it skips; [`select`] by name; [`list`] |
//! | list the backends that are compiled in | [`compiled_in`] |
//! | ask whether it is the processor | [`is_processor`] |
//! | turn Burn's panics at a lost or full device into errors | [`notice_device_failure`] |
//! | share work among threads | [`Workers`] |
//! | count the cores of the processor | [`cores`] |
//! | copy the values of a tensor from its device | [`values`] |
//! | measure the memory of this process | [`peak_memory`] |
//! | describe the processor | `processor`, with the feature `description` |
//! | serve devices to other machines | `serve`, with the feature `remote` |
//!
//! ```
//! use attend_device::{DeviceError, Workers, is_processor, list};
//!
//! for device in list() {
//!     println!("{} is {}", device.name, if is_processor(&device.device) { "the processor" } else { "a GPU" });
//! }
//! let workers = Workers::start(2, 1)?;
//! assert_eq!(workers.map([1, 2, 3], |number| number * number), [1, 4, 9]);
//! # Ok::<(), DeviceError>(())
//! ```

mod device;
mod error;
mod failure;
#[cfg(feature = "cubecl")]
mod gpu_memory;
mod memory;
mod panics;
#[cfg(feature = "remote")]
mod server;
mod workers;

#[cfg(feature = "description")]
pub use device::processor;
pub use device::{NamedDevice, auto, best, compiled_in, is_processor, list, select};
pub use error::DeviceError;
pub use failure::notice_device_failure;
pub use memory::{peak_memory, values};
#[cfg(feature = "remote")]
pub use server::serve;
pub use workers::{Workers, cores};
