// VMware's vCenter simulator, as a program that provider vSphere gets along with.
module github.com/gorizond/capi-vip-allocator/test/env/plane/binaries/vcenter

go 1.26.0

require github.com/vmware/govmomi v0.53.0

require github.com/google/uuid v1.6.0 // indirect
