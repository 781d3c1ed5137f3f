//! The devices that this program was built for and that this machine has.
//!
//! The name of a device is the feature that compiles its backend in, such as `flex`. If a machine may have several
//! devices of a kind, a colon and an index follow. The index counts from 0 in the order of the driver: `vulkan:1` is
//! the second Vulkan device. A device that another machine serves is named by its address: `remote:ws://host:3000` is
//! the first device that is served there, and `remote:ws://host:3000#1` the second.

use std::sync::LazyLock;

#[cfg(feature = "cubecl")]
use burn::tensor::PhysicalDevice as Hardware;
use burn::tensor::{Device, DeviceType};

use crate::error::DeviceError;
#[cfg(feature = "cubecl")]
use crate::gpu_memory;
use crate::panics::keep_back;
use crate::workers::cores;

/// A device and its name.
#[derive(Clone, Debug)]
pub struct NamedDevice {
    /// The name that [`select`] takes: `flex`, `vulkan:0`, `remote:ws://host:3000`.
    pub name: String,
    /// The device.
    pub device: Device,
    kind: Kind,
}

/// The kinds of hardware behind a device.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// The processor. A machine has one.
    Processor,
    /// A GPU, or software that emulates one. A machine may have several.
    Gpu,
    /// A device of another machine, reached over the network.
    #[cfg(feature = "remote")]
    Remote,
}

/// Returns whether `device` is the processor that this program runs on. The tensors of the processor are in the
/// program's own memory.
#[must_use]
pub fn is_processor(device: &Device) -> bool {
    static PROCESSORS: LazyLock<Vec<Device>> =
        LazyLock::new(|| processors().map(|processor| processor.device).collect());
    PROCESSORS.contains(device)
}

impl NamedDevice {
    /// Describes the device. For a GPU, returns its name and its memory, as far as the driver reports them. For the
    /// processor, returns its name, the number of its cores and the machine's memory.
    ///
    /// # Errors
    ///
    /// Returns [`DeviceError::CannotOpen`] if a GPU cannot be opened.
    #[cfg(feature = "description")]
    pub fn description(&self) -> Result<String, DeviceError> {
        Ok(match self.kind {
            Kind::Gpu => self.gpu()?.map_or_else(processor, |gpu| gpu.description),
            Kind::Processor => processor(),
            #[cfg(feature = "remote")]
            Kind::Remote => "served by another program".to_owned(),
        })
    }

    /// Returns whether `self` and `other` are the same physical device. A GPU has several names, one for each backend
    /// that computes on it, such as `cuda:0` and `vulkan:0`.
    ///
    /// # Errors
    ///
    /// Returns [`DeviceError::CannotOpen`] if a GPU cannot be opened and asked for its identity.
    pub fn is_same(&self, other: &Self) -> Result<bool, DeviceError> {
        let hardware = |gpu: Option<Gpu>| gpu.and_then(|gpu| gpu.hardware);
        let both = hardware(self.gpu()?).zip(hardware(other.gpu()?));
        Ok(self.device == other.device || both.is_some_and(|(one, other)| one.is_same_card(&other)))
    }

    /// Opens the device if it is a GPU, and returns what its driver reports. Returns `None` if the device is not a GPU,
    /// or if nothing is reported about it.
    fn gpu(&self) -> Result<Option<Gpu>, DeviceError> {
        if self.kind == Kind::Gpu {
            open(&self.name, || gpu(&self.device))
        } else {
            Ok(None)
        }
    }

    /// Returns the number of workers that keep the device busy: one for each core of the processor, or one for a GPU,
    /// which runs one operation after the other.
    #[must_use]
    pub fn workers(&self) -> usize {
        if is_processor(&self.device) { cores() } else { 1 }
    }
}

/// A backend of Burn.
struct Backend {
    /// The feature that compiles the backend in.
    feature: &'static str,
    kind: Kind,
    /// Lists the backend's devices in this machine; `None` if the backend is not compiled in.
    devices: Option<fn() -> Vec<Device>>,
}

/// Returns Burn's backends, in the order in which [`auto`] tries them.
fn backends() -> [Backend; 8] {
    macro_rules! backend {
        ($feature:literal, $device_type:ident, $kind:ident) => {
            Backend {
                feature: $feature,
                kind: Kind::$kind,
                #[cfg(feature = $feature)]
                devices: Some(|| Device::enumerate(DeviceType::$device_type).into_vec()),
                #[cfg(not(feature = $feature))]
                devices: None,
            }
        };
    }
    [
        backend!("cuda", Cuda, Gpu),
        backend!("rocm", Rocm, Gpu),
        backend!("metal", Metal, Gpu),
        backend!("vulkan", Vulkan, Gpu),
        backend!("wgpu", Wgpu, Gpu),
        backend!("flex", Flex, Processor),
        backend!("cpu", Cpu, Processor),
        backend!("ndarray", NdArray, Processor),
    ]
}

impl Backend {
    fn is_compiled_in(&self) -> bool {
        self.devices.is_some()
    }

    /// Returns the backend's devices in this machine. The list is empty if the backend is not compiled in.
    fn devices(&self) -> Vec<NamedDevice> {
        #[cfg(feature = "cubecl")]
        keep_kernels();
        let devices = self.devices.map(|devices| devices()).unwrap_or_default();
        let devices = devices.into_iter().enumerate();
        devices
            .map(|(index, device)| NamedDevice {
                name: match self.kind {
                    Kind::Processor => self.feature.to_owned(),
                    _ => format!("{}:{index}", self.feature),
                },
                device,
                kind: self.kind,
            })
            .collect()
    }
}

/// Lists every device of the backends that are compiled in, in the order in which [`auto`] would take them.
#[must_use]
pub fn list() -> Vec<NamedDevice> {
    backends().iter().flat_map(Backend::devices).collect()
}

/// Returns the names of the backends that are compiled in.
#[must_use]
pub fn compiled_in() -> Vec<&'static str> {
    let backends = backends().into_iter().filter(Backend::is_compiled_in);
    backends.map(|backend| backend.feature).collect()
}

/// Finds and opens a device by its name.
///
/// The name is one of
///
/// - a backend's name, such as `flex`. If the backend may have several devices, a colon and an index may follow:
///   `vulkan:1` is the second device, and `vulkan` the first;
/// - `auto`: the device that the function [`auto`] returns;
/// - `cpu`: the processor, with Burn's backend `cpu` if it is compiled in, else with another backend for processors;
/// - `remote:` and an address, such as `remote:ws://host:3000`: a device that another machine [serves](crate) there.
///
/// # Errors
///
/// Returns [`DeviceError::Unknown`] if no backend has this name, [`DeviceError::NotCompiledIn`] if the backend is not
/// compiled in, [`DeviceError::Absent`] if this machine has no such device, and [`DeviceError::CannotOpen`] if the
/// device cannot be opened. Returns [`DeviceError::NoDevice`] if `auto` finds no device,
/// [`DeviceError::Unreachable`] if a remote device does not answer, and [`DeviceError::Threads`] if the system does not
/// start the thread that connects to it.
pub fn select(name: &str) -> Result<NamedDevice, DeviceError> {
    let (kind, address) = name.split_once(':').unwrap_or((name, ""));
    match (name, kind) {
        ("auto", _) => auto(),
        ("cpu", _) => processors().next().ok_or_else(|| not_compiled_in("flex")),
        (_, "remote") => connect(name, address),
        _ => find(name),
    }
}

/// Finds the first GPU that can be opened. If there is none, finds the processor. If no backend for processors is
/// compiled in either, finds a GPU that software emulates.
///
/// # Errors
///
/// Returns [`DeviceError::NoDevice`] if no device can be opened.
pub fn auto() -> Result<NamedDevice, DeviceError> {
    best(|_| ())
}

/// Finds the device that [`auto`] returns. Calls `pass_over` with the error of each GPU that is skipped because it
/// cannot be opened.
///
/// # Errors
///
/// Returns [`DeviceError::NoDevice`] if no device can be opened.
pub fn best(mut pass_over: impl FnMut(DeviceError)) -> Result<NamedDevice, DeviceError> {
    let mut emulated = None;
    for device in list() {
        match device.gpu() {
            Err(error) => pass_over(error),
            Ok(Some(gpu)) if gpu.hardware.is_none() => emulated = emulated.or(Some(device)),
            Ok(_) => return Ok(device),
        }
    }
    emulated.ok_or(DeviceError::NoDevice)
}

/// Calls `ask`, and returns its answer. `ask` opens the device called `name`.
///
/// # Errors
///
/// Returns [`DeviceError::CannotOpen`] if `ask` panics.
fn open<R>(name: &str, ask: impl FnOnce() -> R) -> Result<R, DeviceError> {
    let (answer, panics) = keep_back(ask);
    match answer {
        Ok(answer) => {
            panics.print();
            Ok(answer)
        }
        Err(_) => Err(DeviceError::CannotOpen {
            name: name.to_owned(),
            reason: panics.reason(),
        }),
    }
}

/// Returns the processor as a device of each backend that computes on it, the backend `cpu` first. The drivers of GPUs
/// are not called.
fn processors() -> impl Iterator<Item = NamedDevice> {
    let mut backends = Vec::from(backends());
    backends.retain(|backend| backend.kind == Kind::Processor);
    backends.sort_by_key(|backend| backend.feature != "cpu");
    backends.into_iter().flat_map(|backend| backend.devices())
}

/// Finds and opens a device of this machine by the name of its backend, with or without an index: `flex`, `vulkan:1`.
fn find(name: &str) -> Result<NamedDevice, DeviceError> {
    let (feature, index) = match name.split_once(':') {
        Some((feature, index)) => (feature, index.parse().ok()),
        None => (name, Some(0)),
    };
    let backends = backends();
    let backend = backends.iter().find(|backend| backend.feature == feature);
    let (Some(backend), Some(index)) = (backend, index) else {
        return Err(unknown(name, feature, &backends));
    };
    if !backend.is_compiled_in() {
        return Err(not_compiled_in(feature));
    }
    let mut devices = backend.devices();
    if index < devices.len() && (backend.kind == Kind::Gpu || name == feature) {
        let device = devices.swap_remove(index);
        device.gpu()?;
        return Ok(device);
    }
    Err(DeviceError::Absent {
        name: name.to_owned(),
        present: devices.into_iter().map(|device| device.name).collect(),
    })
}

/// Connects to the device that another machine serves at `address`.
#[cfg(feature = "remote")]
fn connect(name: &str, address: &str) -> Result<NamedDevice, DeviceError> {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use burn::tensor::remote::RemoteHost;

    /// The time to wait for an answer. If an address refuses the connection, Burn retries for 16 seconds.
    const PATIENCE: Duration = Duration::from_secs(20);
    let unreachable = |reason: String| DeviceError::Unreachable {
        name: name.to_owned(),
        reason,
    };
    let (url, index) = match address.split_once('#') {
        None => (address, 0),
        Some((url, index)) => match index.parse::<u32>() {
            Ok(index) => (url, index),
            Err(_) => return Err(unreachable(format!("{index:?} is no number of a device"))),
        },
    };
    let host = RemoteHost::websocket(url);
    let options = Device::remote_options(&host).device_index(index as usize);
    let (sender, answer) = mpsc::channel();
    let connect = move || {
        let device = options.init().map_err(|error| error.to_string());
        // Sending fails if the caller has given up waiting and has returned an error.
        let _ = sender.send(device);
    };
    // Burn waits for ever if a server accepts the connection and then stays silent. A separate thread waits, so that
    // the caller can give up.
    thread::Builder::new()
        .spawn(connect)
        .map_err(DeviceError::Threads)?;
    let silent = |_| Err("it does not answer".to_owned());
    let device = answer.recv_timeout(PATIENCE).unwrap_or_else(silent);
    Ok(NamedDevice {
        name: name.to_owned(),
        device: device.map_err(unreachable)?,
        kind: Kind::Remote,
    })
}

#[cfg(not(feature = "remote"))]
fn connect(_: &str, _: &str) -> Result<NamedDevice, DeviceError> {
    Err(not_compiled_in("remote"))
}

/// Returns the error for a `name` that no backend has. `feature` is the part of the name before its colon.
fn unknown(name: &str, feature: &str, backends: &[Backend]) -> DeviceError {
    let names = backends
        .iter()
        .map(|backend| backend.feature)
        .chain(["auto", "remote"]);
    let feature = feature.to_lowercase();
    let nearest = names.min_by_key(|known| strsim::damerau_levenshtein(&feature, known));
    DeviceError::Unknown {
        name: name.to_owned(),
        nearest: nearest.unwrap_or_default(),
    }
}

fn not_compiled_in(feature: &str) -> DeviceError {
    DeviceError::NotCompiledIn {
        feature: feature.to_owned(),
        compiled_in: compiled_in(),
    }
}

/// What a driver reports of a GPU, or of software that emulates one.
struct Gpu {
    #[cfg_attr(not(feature = "description"), expect(dead_code))]
    description: String,
    /// The physical GPU; `None` if software emulates the GPU.
    hardware: Option<Hardware>,
}

/// A physical GPU. A build without a backend for GPUs has none, so this type has no values.
#[cfg(not(feature = "cubecl"))]
enum Hardware {}

#[cfg(not(feature = "cubecl"))]
impl Hardware {
    fn is_same_card(&self, _: &Self) -> bool {
        match *self {}
    }
}

#[cfg(feature = "cubecl")]
fn gpu(device: &Device) -> Option<Gpu> {
    let identity = device.identity()?;
    let address = identity.physical.as_ref().and_then(|gpu| gpu.pci_address);
    let memory = address.and_then(|address| gpu_memory::of_gpu(&address.to_string()));
    Some(Gpu {
        description: match memory {
            Some(bytes) => format!("{}, {}", identity.name, gibibytes(bytes)),
            None => identity.name,
        },
        hardware: identity.physical,
    })
}

#[cfg(not(feature = "cubecl"))]
fn gpu(_: &Device) -> Option<Gpu> {
    None
}

/// Makes Burn store its compiled kernels on disk. By default Burn stores only the results of tuning. On an NVIDIA GPU
/// every program would then compile for half a minute before its first translation. Burn reads all other settings from
/// the file `cubecl.toml` and from the environment, as usual. The call has an effect only before the program first uses
/// a GPU.
#[cfg(feature = "cubecl")]
fn keep_kernels() {
    use std::sync::Once;

    use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig};

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        config.compilation.cache = true;
        CubeClRuntimeConfig::try_set(config);
    });
}

/// Describes the processor: its name, the number of cores that this program may use, and the machine's memory.
#[cfg(feature = "description")]
#[must_use]
pub fn processor() -> String {
    use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

    let wanted = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted);
    let name = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
    format!("{name}, {} cores, {}", cores(), gibibytes(system.total_memory()))
}

#[cfg(any(feature = "cubecl", feature = "description"))]
fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
