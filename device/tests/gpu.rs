//! GPUs, or what emulates one: their memory, and the kernels that Burn keeps of them.
#![cfg(feature = "wgpu")]

/// No GPU has four terabytes.
#[test]
fn a_gpu_without_the_memory_is_an_error() {
    use attend_device::{DeviceError, notice_device_failure, select, values};
    use burn::tensor::Tensor;

    let gpu = select("wgpu").unwrap();
    // Burn says it in one way or the other.
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

/// That they are is up to Burn, on GPUs that CI lacks.
#[test]
fn compiled_kernels_are_kept() {
    use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig};

    assert!(!attend_device::list().is_empty());
    assert!(CubeClRuntimeConfig::get().compilation.cache);
}
