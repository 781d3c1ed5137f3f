//! The devices that this program was built for and that this machine has.
//!
//! A device is named by the feature that compiles its backend in, and where a machine may have several of a kind, by its
//! place in the list of their driver: `vulkan:1` is the second. A device that another machine serves is named by its
//! address: `remote:ws://host:3000`, and `remote:ws://host:3000#1` is the second of those that are served there.

#[cfg(feature = "cubecl")]
mod memory;

use attend_data::Padding;
use attend_model::width_multiple;
#[cfg(feature = "cubecl")]
use burn::tensor::PhysicalDevice as Hardware;
use burn::tensor::{Device, DeviceType, Tensor};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::device_failure::open;
use crate::error::InferError;
use crate::workers::cores;

/// A device and its name.
#[derive(Clone, Debug)]
pub struct NamedDevice {
    /// As `--device` takes it: `flex`, `vulkan:0`, `remote:ws://host:3000`.
    pub name: String,
    /// The device.
    pub device: Device,
    kind: Kind,
}

/// What a device does its work with.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// The processor, of which a machine has one.
    Processor,
    /// A card, or what emulates one, of which a machine may have several.
    Card,
    /// Another machine.
    #[cfg(feature = "remote")]
    Remote,
}

impl NamedDevice {
    /// What the device is: the name of a card, or of what emulates one, and its memory, as far as its driver tells, or
    /// the processor's.
    ///
    /// # Errors
    ///
    /// [`InferError::CannotOpen`].
    pub fn description(&self) -> Result<String, InferError> {
        Ok(match self.kind {
            Kind::Card => self.card()?.map_or_else(processor, |card| card.description),
            Kind::Processor => processor(),
            #[cfg(feature = "remote")]
            Kind::Remote => "served by another program".to_owned(),
        })
    }

    /// Whether both are one device: a card on which several backends compute goes by several names. That it is one, its
    /// drivers tell.
    ///
    /// # Errors
    ///
    /// [`InferError::CannotOpen`].
    pub fn is_same(&self, other: &Self) -> Result<bool, InferError> {
        let hardware = |card: Option<Card>| card.and_then(|card| card.hardware);
        let both = hardware(self.card()?).zip(hardware(other.card()?));
        Ok(self.device == other.device || both.is_some_and(|(one, other)| one.is_same_card(&other)))
    }

    /// Opens a card; `None` of what is none.
    fn card(&self) -> Result<Option<Card>, InferError> {
        match self.kind {
            Kind::Card => open(&self.name, || card(&self.device)),
            _ => Ok(None),
        }
    }

    /// Whether it is the processor that the program itself runs on.
    #[must_use]
    pub fn is_processor(&self) -> bool {
        self.kind == Kind::Processor
    }

    /// Workers that keep the device busy: one for each core of the processor; another device does its work in turn.
    #[must_use]
    pub fn workers(&self) -> usize {
        match self.kind {
            Kind::Processor => cores(),
            _ => 1,
        }
    }
}

/// The features that compile a backend in, and its devices where that was done.
struct Backend {
    feature: &'static str,
    kind: Kind,
    devices: Option<fn() -> Vec<Device>>,
}

/// Burn's backends, in the order in which `auto` takes one.
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
        backend!("cuda", Cuda, Card),
        backend!("rocm", Rocm, Card),
        backend!("metal", Metal, Card),
        backend!("vulkan", Vulkan, Card),
        backend!("wgpu", Wgpu, Card),
        backend!("flex", Flex, Processor),
        backend!("cpu", Cpu, Processor),
        backend!("ndarray", NdArray, Processor),
    ]
}

impl Backend {
    fn is_compiled_in(&self) -> bool {
        self.devices.is_some()
    }

    /// Those of this machine.
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

/// Every device of the backends that are compiled in, in the order in which `auto` would take them.
#[must_use]
pub fn list() -> Vec<NamedDevice> {
    backends().iter().flat_map(Backend::devices).collect()
}

/// The names of the backends that are compiled in.
#[must_use]
pub fn compiled_in() -> Vec<&'static str> {
    let backends = backends().into_iter().filter(Backend::is_compiled_in);
    backends.map(|backend| backend.feature).collect()
}

/// The device of that name, opened: a backend's, with the device's number behind a colon where it has several, or
///
/// - `auto`: the first graphics card that a backend finds, else the processor;
/// - `cpu`: the processor, by Burn's backend `cpu` where it is compiled in, else by `flex` or `ndarray`;
/// - `remote:` and an address: a device that the program `remote-server` serves there.
///
/// # Errors
///
/// [`InferError::UnknownDevice`], [`InferError::DeviceNotCompiledIn`], [`InferError::NoSuchDevice`],
/// [`InferError::CannotOpen`], for `auto` [`InferError::NoDevice`], and for `remote` [`InferError::Unreachable`].
pub fn select(name: &str) -> Result<NamedDevice, InferError> {
    let (kind, address) = name.split_once(':').unwrap_or((name, ""));
    match (name, kind) {
        ("auto", _) => auto(),
        ("cpu", _) => processors().next().ok_or_else(|| not_compiled_in("flex")),
        (_, "remote") => connect(name, address),
        _ => find(name),
    }
}

/// The device that is best: see [`select`]. A card that cannot be opened is passed over.
///
/// # Errors
///
/// [`InferError::NoDevice`] where there is none.
pub fn auto() -> Result<NamedDevice, InferError> {
    best(|_| ())
}

/// The device that is best; why a better one cannot be opened is told to `pass_over`.
pub(crate) fn best(mut pass_over: impl FnMut(InferError)) -> Result<NamedDevice, InferError> {
    let mut emulated = None;
    for device in list() {
        match device.card() {
            Err(error) => pass_over(error),
            Ok(Some(card)) if card.hardware.is_none() => emulated = emulated.or(Some(device)),
            Ok(_) => return Ok(device),
        }
    }
    emulated.ok_or(InferError::NoDevice)
}

/// The processor, by each backend for it; no driver of a card is asked.
fn processors() -> impl Iterator<Item = NamedDevice> {
    let mut backends = Vec::from(backends());
    backends.retain(|backend| backend.kind == Kind::Processor);
    backends.sort_by_key(|backend| backend.feature != "cpu");
    backends.into_iter().flat_map(|backend| backend.devices())
}

fn find(name: &str) -> Result<NamedDevice, InferError> {
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
    if index < devices.len() && (backend.kind == Kind::Card || name == feature) {
        let device = devices.swap_remove(index);
        device.card()?;
        return Ok(device);
    }
    Err(InferError::NoSuchDevice {
        name: name.to_owned(),
        present: devices.into_iter().map(|device| device.name).collect(),
    })
}

/// The device behind an address.
#[cfg(feature = "remote")]
fn connect(name: &str, address: &str) -> Result<NamedDevice, InferError> {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use burn::tensor::remote::RemoteHost;

    /// Burn tries an address that refuses for 16 seconds.
    const PATIENCE: Duration = Duration::from_secs(20);
    let unreachable = |reason: String| InferError::Unreachable {
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
        .map_err(InferError::Threads)?;
    let silent = |_| Err("it does not answer".to_owned());
    let device = answer.recv_timeout(PATIENCE).unwrap_or_else(silent);
    Ok(NamedDevice {
        name: name.to_owned(),
        device: device.map_err(unreachable)?,
        kind: Kind::Remote,
    })
}

#[cfg(not(feature = "remote"))]
fn connect(_: &str, _: &str) -> Result<NamedDevice, InferError> {
    Err(not_compiled_in("remote"))
}

/// `feature` is what stands before the name's colon.
fn unknown(name: &str, feature: &str, backends: &[Backend]) -> InferError {
    let names = backends
        .iter()
        .map(|backend| backend.feature)
        .chain(["auto", "remote"]);
    let feature = feature.to_lowercase();
    let nearest = names.min_by_key(|known| strsim::damerau_levenshtein(&feature, known));
    InferError::UnknownDevice {
        name: name.to_owned(),
        nearest: nearest.unwrap_or_default(),
    }
}

fn not_compiled_in(feature: &str) -> InferError {
    InferError::DeviceNotCompiledIn {
        feature: feature.to_owned(),
        compiled_in: compiled_in(),
    }
}

/// What a driver tells of a graphics card, or of what emulates one.
struct Card {
    description: String,
    /// `None` of what is emulated.
    hardware: Option<Hardware>,
}

/// A build without a backend for cards knows of none.
#[cfg(not(feature = "cubecl"))]
enum Hardware {}

#[cfg(not(feature = "cubecl"))]
impl Hardware {
    fn is_same_card(&self, _: &Self) -> bool {
        match *self {}
    }
}

#[cfg(feature = "cubecl")]
fn card(device: &Device) -> Option<Card> {
    let identity = device.identity()?;
    let address = identity.physical.as_ref().and_then(|card| card.pci_address);
    let memory = address.and_then(|address| memory::of_card(&address.to_string()));
    Some(Card {
        description: match memory {
            Some(bytes) => format!("{}, {}", identity.name, gibibytes(bytes)),
            None => identity.name,
        },
        hardware: identity.physical,
    })
}

#[cfg(not(feature = "cubecl"))]
fn card(_: &Device) -> Option<Card> {
    None
}

/// Has Burn keep the kernels that it compiles, beside what it keeps of tuning them: on a card of NVIDIA's it compiles for
/// half a minute before the first translation. Other settings are those of a file `cubecl.toml`, and of the environment.
/// Where a program has used Burn's cards before, it is too late.
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

/// The values of a tensor, row after row.
///
/// # Panics
///
/// If its device could not compute them.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let values = tensor.into_data_as::<f32>().try_into_vec();
    values.expect("they were converted")
}

/// How the device has rows of tokens padded with `token`, for a model of so many positions.
#[must_use]
pub fn padding(device: &Device, token: u32, positions: usize) -> Padding {
    Padding {
        token,
        multiple: width_multiple(device),
        most: positions,
    }
}

/// The processor's name, its cores that the program may use, and the machine's memory.
#[must_use]
pub fn processor() -> String {
    let wanted = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted);
    let name = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
    format!("{name}, {} cores, {}", cores(), gibibytes(system.total_memory()))
}

fn gibibytes(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}
