// SPDX-License-Identifier: Apache-2.0

// Command etcd is etcd; upstream's package of this command is named after its version.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	etcdmain.Main(os.Args)
}
