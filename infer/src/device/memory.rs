//! How much memory a graphics card has. Burn does not tell; the drivers do.

use std::fs;
use std::path::Path;

use nvml_wrapper::Nvml;

/// Where Linux has a folder for each card, named by its PCI address.
const CARDS: &str = "/sys/bus/pci/devices";

/// The bytes of the card at a PCI address such as `0000:07:00.0`; `None` where no driver tells.
pub(super) fn of_card(address: &str) -> Option<u64> {
    of_amd(Path::new(CARDS), address).or_else(|| of_nvidia(address))
}

fn of_amd(cards: &Path, address: &str) -> Option<u64> {
    let file = cards.join(address).join("mem_info_vram_total");
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn of_nvidia(address: &str) -> Option<u64> {
    let driver = Nvml::init().ok()?;
    let card = driver.device_by_pci_bus_id(address).ok()?;
    Some(card.memory_info().ok()?.total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_tells_or_nobody_does() {
        let cards = tempfile::tempdir().unwrap();
        let card = cards.path().join("0000:07:00.0");
        fs::create_dir(&card).unwrap();
        assert_eq!(of_amd(cards.path(), "0000:07:00.0"), None);
        fs::write(card.join("mem_info_vram_total"), "17163091968\n").unwrap();
        assert_eq!(of_amd(cards.path(), "0000:07:00.0"), Some(17_163_091_968));
        // No machine has a card at the last address of the last bus.
        assert_eq!(of_card("ffff:ff:1f.7"), None);
    }
}
