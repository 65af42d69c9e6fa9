// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	inmemory "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/runtime"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// clusters are all pretend clusters, by the UID of their Cluster: one that is deleted and created again under the same
// name starts empty.
type clusters struct {
	management client.Client
	memory     inmemory.Manager
	anyHost    bool
	key        *ecdsa.PrivateKey // of all serving certificates of this process
	known      map[types.UID]*workload
}

func newClusters(management client.Client, memory inmemory.Manager, anyHost bool) (*clusters, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &clusters{management, memory, anyHost, key, map[types.UID]*workload{}}, nil
}

// pass brings the pretend clusters in line once; trouble of one does not stop the others.
func (c *clusters) pass(ctx context.Context) error {
	list, machines := &clusterv1.ClusterList{}, &clusterv1.MachineList{}
	if err := errors.Join(c.management.List(ctx, machines), c.management.List(ctx, list)); err != nil {
		return err
	}
	byName, err := c.admit(ctx, list)
	errs := []error{err}
	living := map[types.UID]bool{}
	for i := range machines.Items {
		machine := &machines.Items[i]
		living[machine.UID] = true
		w := byName[client.ObjectKey{Namespace: machine.Namespace, Name: machine.Spec.ClusterName}]
		if w == nil || !hasServer(machine) {
			continue
		}
		if err := c.join(ctx, w, machine); err != nil {
			errs = append(errs, fmt.Errorf("machine %s: %w", client.ObjectKeyFromObject(machine), err))
		}
	}
	for _, w := range c.known {
		errs = append(errs, w.leave(ctx, living))
	}
	return errors.Join(errs...)
}

// admit knows every Cluster which has an endpoint, forgets those that are gone, and returns them by name.
func (c *clusters) admit(ctx context.Context, list *clusterv1.ClusterList) (map[client.ObjectKey]*workload, error) {
	var errs []error
	byName, there := map[client.ObjectKey]*workload{}, map[types.UID]bool{}
	for i := range list.Items {
		cluster := &list.Items[i]
		there[cluster.UID] = true
		if c.known[cluster.UID] == nil && cluster.Spec.ControlPlaneEndpoint.IsValid() {
			w, err := newWorkload(ctx, c.memory, cluster)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			c.known[cluster.UID] = w
		}
		if w := c.known[cluster.UID]; w != nil {
			byName[client.ObjectKeyFromObject(cluster)] = w
		}
	}
	for uid, w := range c.known {
		if !there[uid] {
			w.stop()
			c.memory.DeleteResourceGroup(string(uid))
			delete(c.known, uid)
			klog.Infof("cluster %s is gone", w.name)
		}
	}
	return byName, errors.Join(errs...)
}

// join makes the node of a machine and, with a control plane machine, whatever a cluster needs to answer.
func (c *clusters) join(ctx context.Context, w *workload, machine *clusterv1.Machine) error {
	m, joined := w.members[machine.UID]
	if !joined {
		// A provider names the server, hence the kubelet its node, after the infrastructure machine.
		m = member{node: machine.Spec.InfrastructureRef.Name, controlPlane: util.IsControlPlaneMachine(machine)}
		if m.controlPlane {
			if err := c.joinControlPlane(ctx, w, machine, m.node); err != nil {
				return err
			}
		} else if !w.serving() {
			return nil // a worker joins only a cluster that answers
		}
	}
	if joined && m.addresses == fmt.Sprint(machine.Status.Addresses) {
		return nil
	}
	m.addresses = fmt.Sprint(machine.Status.Addresses)
	if err := putNode(ctx, w.memory, machine, m.node); err != nil {
		return err
	}
	w.members[machine.UID] = m
	if !joined {
		klog.Infof("cluster %s: node %s joined (%s)", w.name, m.node, machine.Spec.ProviderID)
	}
	return nil
}

func (c *clusters) joinControlPlane(ctx context.Context, w *workload, machine *clusterv1.Machine, node string) error {
	if err := putControlPlane(ctx, w.memory, etcdIDs(w.uid, machine.UID), machine.Spec.Version, node); err != nil {
		return err
	}
	if err := w.certify(ctx, c.management, c.key, node); err != nil {
		return err
	}
	return w.serve(c.memory, c.anyHost)
}

func (c *clusters) stop() {
	for _, w := range c.known {
		w.stop()
	}
}

// hasServer tells whether a machine's server is there and boots, or did before this process was started. Its status does not
// count: in a management cluster that a cluster was just moved to there is none yet, while the workload cluster runs on.
func hasServer(m *clusterv1.Machine) bool {
	if m.Spec.ProviderID == "" || m.Spec.Bootstrap.DataSecretName == nil {
		return false
	}
	return m.DeletionTimestamp.IsZero() || m.Status.NodeRef.IsDefined()
}
