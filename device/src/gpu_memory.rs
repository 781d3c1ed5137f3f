//! The size of a GPU's memory. Burn does not report it, so the drivers are asked.

use std::fs;
use std::path::Path;

use nvml_wrapper::Nvml;

/// The folder in which Linux has a folder for each PCI device, named by its address.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";

/// Returns the bytes of memory of the GPU at a PCI address such as `0000:07:00.0`; `None` if no driver reports them.
pub(crate) fn of_gpu(address: &str) -> Option<u64> {
    of_amd(Path::new(PCI_DEVICES), address).or_else(|| of_nvidia(address))
}

fn of_amd(devices: &Path, address: &str) -> Option<u64> {
    let file = devices.join(address).join("mem_info_vram_total");
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn of_nvidia(address: &str) -> Option<u64> {
    let driver = Nvml::init().ok()?;
    let gpu = driver.device_by_pci_bus_id(address).ok()?;
    Some(gpu.memory_info().ok()?.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_reports_the_memory_or_none_does() {
        let devices = tempfile::tempdir().unwrap();
        let gpu = devices.path().join("0000:07:00.0");
        fs::create_dir(&gpu).unwrap();
        assert_eq!(of_amd(devices.path(), "0000:07:00.0"), None);
        fs::write(gpu.join("mem_info_vram_total"), "17163091968\n").unwrap();
        assert_eq!(of_amd(devices.path(), "0000:07:00.0"), Some(17_163_091_968));
        // No machine has a GPU at the last address of the last bus.
        assert_eq!(of_gpu("ffff:ff:1f.7"), None);
    }
}
