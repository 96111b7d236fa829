"""Small helps under NumPyro's names."""

from ppl._platform import enable_x64, set_host_device_count, set_platform, soft_vmap

__all__ = ["enable_x64", "set_host_device_count", "set_platform", "soft_vmap"]
