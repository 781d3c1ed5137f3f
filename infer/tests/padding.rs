//! How rows of tokens are padded for a device.

/// Kernels of a GPU are compiled by the powers of two that divide lengths.
#[test]
fn rows_are_padded_to_eights_where_kernels_are_compiled_by_length() {
    for device in attend_device::list() {
        let multiple = attend_infer::padding(&device.device, 0, 100).multiple;
        assert_eq!(
            multiple,
            if device.name == "flex" { 1 } else { 8 },
            "{}",
            device.name
        );
    }
}
