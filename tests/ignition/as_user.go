// SPDX-License-Identifier: Apache-2.0

package as_user

import (
	"os"
	"os/user"
)

// What stands in for C that changes the user for a moment, to write SSH keys; guests in tests have none.

func OpenFile(_ *user.User, name string, flags int, mode uint32) (*os.File, error) {
	return os.OpenFile(name, flags, os.FileMode(mode))
}

func MkdirAll(_ *user.User, path string, mode uint32) error {
	return os.MkdirAll(path, os.FileMode(mode))
}

func Rename(_ *user.User, old, name string) error {
	return os.Rename(old, name)
}
