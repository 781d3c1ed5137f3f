//! The devices that this program was built for and that this machine has.
//!
//! A device is named by the feature that compiles its backend in, and where a machine may have several of a kind, by its
//! place in the list of their driver: `vulkan:1` is the second. A device that another machine serves is named by its
//! address: `remote:ws://host:3000`, and `remote:ws://host:3000#1` is the second of those that are served there.

use std::sync::LazyLock;

#[cfg(feature = "cubecl")]
use burn::tensor::PhysicalDevice as Hardware;
use burn::tensor::{Device, DeviceType};

use crate::error::DeviceError;
use crate::failure::open;
#[cfg(feature = "cubecl")]
use crate::gpu_memory;
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
    /// A device of another machine.
    #[cfg(feature = "remote")]
    Remote,
}

/// Whether tensors on `device` are computed by the processor that this program runs on, and lie in its memory.
#[must_use]
pub fn is_processor(device: &Device) -> bool {
    static PROCESSORS: LazyLock<Vec<Device>> =
        LazyLock::new(|| processors().map(|processor| processor.device).collect());
    PROCESSORS.contains(device)
}

impl NamedDevice {
    /// Describes the device: the name of a GPU and its memory, as far as its driver reports them, or the processor's name,
    /// its cores and the machine's memory.
    ///
    /// # Errors
    ///
    /// [`DeviceError::CannotOpen`] if a GPU cannot be opened.
    #[cfg(feature = "description")]
    pub fn description(&self) -> Result<String, DeviceError> {
        Ok(match self.kind {
            Kind::Gpu => self.gpu()?.map_or_else(processor, |gpu| gpu.description),
            Kind::Processor => processor(),
            #[cfg(feature = "remote")]
            Kind::Remote => "served by another program".to_owned(),
        })
    }

    /// Whether both names stand for one device: a GPU on which several backends compute has several names.
    ///
    /// # Errors
    ///
    /// [`DeviceError::CannotOpen`] if a GPU cannot be opened and asked for its identity.
    pub fn is_same(&self, other: &Self) -> Result<bool, DeviceError> {
        let hardware = |gpu: Option<Gpu>| gpu.and_then(|gpu| gpu.hardware);
        let both = hardware(self.gpu()?).zip(hardware(other.gpu()?));
        Ok(self.device == other.device || both.is_some_and(|(one, other)| one.is_same_card(&other)))
    }

    /// Opens a GPU; `None` for a device of another kind.
    fn gpu(&self) -> Result<Option<Gpu>, DeviceError> {
        if self.kind == Kind::Gpu {
            open(&self.name, || gpu(&self.device))
        } else {
            Ok(None)
        }
    }

    /// Returns the number of workers that keep the device busy: one for each core of the processor, one for a GPU, which
    /// computes one thing after the other.
    #[must_use]
    pub fn workers(&self) -> usize {
        if is_processor(&self.device) { cores() } else { 1 }
    }
}

/// A backend of Burn: the feature that compiles it in, and its devices where that was done.
struct Backend {
    feature: &'static str,
    kind: Kind,
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

    /// Returns the backend's devices in this machine.
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

/// Finds and opens the device of a name: that of a backend, with the device's number behind a colon where the backend has
/// several devices (`vulkan:1` is the second), or
///
/// - `auto`: the first GPU that a backend finds, else the processor;
/// - `cpu`: the processor, by Burn's backend `cpu` where it is compiled in, else by another backend for processors;
/// - `remote:` and an address: a device that another machine [serves](crate) there.
///
/// # Errors
///
/// [`DeviceError::Unknown`], [`DeviceError::NotCompiledIn`], [`DeviceError::Absent`] or [`DeviceError::CannotOpen`]; for
/// `auto` [`DeviceError::NoDevice`]; for `remote` [`DeviceError::Unreachable`].
pub fn select(name: &str) -> Result<NamedDevice, DeviceError> {
    let (kind, address) = name.split_once(':').unwrap_or((name, ""));
    match (name, kind) {
        ("auto", _) => auto(),
        ("cpu", _) => processors().next().ok_or_else(|| not_compiled_in("flex")),
        (_, "remote") => connect(name, address),
        _ => find(name),
    }
}

/// Finds the first GPU that can be opened, else the processor.
///
/// # Errors
///
/// [`DeviceError::NoDevice`] if there is neither.
pub fn auto() -> Result<NamedDevice, DeviceError> {
    best(|_| ())
}

/// Finds the device that [`auto`] finds, and calls `pass_over` with the reason why a GPU before it cannot be opened.
///
/// # Errors
///
/// [`DeviceError::NoDevice`] if no device can be opened.
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

/// Returns the processor as each backend for processors has it. No driver of a GPU is asked.
fn processors() -> impl Iterator<Item = NamedDevice> {
    let mut backends = Vec::from(backends());
    backends.retain(|backend| backend.kind == Kind::Processor);
    backends.sort_by_key(|backend| backend.feature != "cpu");
    backends.into_iter().flat_map(|backend| backend.devices())
}

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

    /// Burn tries an address that refuses for 16 seconds.
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
        // By then, the error may have been told.
        let _ = sender.send(device);
    };
    // Burn itself waits for ever.
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

/// Returns the error for a name that no backend has; `feature` is the part before the name's colon.
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
    /// `None` for a GPU that is emulated.
    hardware: Option<Hardware>,
}

/// A build without a backend for GPUs knows of no hardware.
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

/// Has Burn keep the kernels that it compiles, beside what it keeps of tuning them: on an NVIDIA GPU it otherwise compiles
/// for half a minute before the first translation of every program. All other settings stay those of a file
/// `cubecl.toml` and of the environment. The call has no effect after the program has first used a GPU.
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

/// Describes the processor: its name, its cores that the program may use, and the machine's memory.
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
