//! GPUs, or software that emulates one: what happens when their memory is full, and whether Burn stores compiled
//! kernels.
#![cfg(feature = "wgpu")]

/// A tensor takes four tebibytes, more than any GPU has.
#[test]
fn a_gpu_without_the_memory_is_an_error() {
    use attend_device::{DeviceError, notice_device_failure, select, values};
    use burn::tensor::Tensor;

    let gpu = select("wgpu").unwrap();
    // Burn panics with one message or another, depending on how a result is read.
    for read in [
        |sum: Tensor<1>| values(sum)[0],
        |sum: Tensor<1>| sum.into_data().iter::<f32>().sum(),
    ] {
        let compute = |size: usize| {
            notice_device_failure(std::slice::from_ref(&gpu), || {
                let ones = Tensor::<2>::ones([size, size], &gpu.device);
                Ok::<_, DeviceError>(read((ones * 2).sum()))
            })
        };
        let Err(DeviceError::Failed { names, reason }) = compute(1 << 20) else {
            panic!("it was computed");
        };
        assert_eq!(names, "wgpu:0");
        assert!(reason.contains("allocate"), "{reason}");
        assert_eq!(compute(3).unwrap(), 18.0);
    }
}

/// The test reads the setting alone. That Burn follows it is only seen on GPUs that CI lacks.
#[test]
fn compiled_kernels_are_stored() {
    use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig};

    assert!(!attend_device::list().is_empty());
    assert!(CubeClRuntimeConfig::get().compilation.cache);
}
