// SPDX-License-Identifier: Apache-2.0

// Prints bootstrap data of a worker as the kubeadm bootstrap provider writes them for Ignition; the argument is what people
// may add to them, a Container Linux Config.
package main

import (
	"fmt"
	"os"

	bootstrap "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	"sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/cloudinit"
	"sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/ignition"
)

func main() {
	data := cloudinit.BaseUserData{
		PreKubeadmCommands:  []string{"hostnamectl set-hostname worker-0"},
		PostKubeadmCommands: []string{"date"},
		AdditionalFiles: []bootstrap.File{{
			Path: "/etc/motd", Owner: "root:root", Permissions: "0640", Content: "Grüße\nfrom 100% here\n",
		}},
	}
	worker := &ignition.NodeInput{
		NodeInput: &cloudinit.NodeInput{
			BaseUserData:      data,
			JoinConfiguration: "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n",
		},
		Ignition: &bootstrap.IgnitionSpec{
			ContainerLinuxConfig: bootstrap.ContainerLinuxConfig{AdditionalConfig: os.Args[1]},
		},
	}
	written, _, err := ignition.NewNode(worker)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(written)
}
