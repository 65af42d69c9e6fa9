// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	cloudv1 "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/cloud/api/v1alpha1"
	inmemory "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/runtime"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const kubeSystem = metav1.NamespaceSystem

var components = []string{"kube-apiserver", "kube-scheduler", "kube-controller-manager"}

// ensure creates an object unless it exists.
func ensure(ctx context.Context, memory inmemory.Client, object client.Object) error {
	if err := memory.Get(ctx, client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
		return err
	}
	return memory.Create(ctx, object)
}

// putNode creates a machine's node, or brings the addresses of one that exists up to date.
func putNode(ctx context.Context, memory inmemory.Client, machine *clusterv1.Machine, name string) error {
	node := &corev1.Node{}
	err := memory.Get(ctx, client.ObjectKey{Name: name}, node)
	if apierrors.IsNotFound(err) {
		return memory.Create(ctx, newNode(machine, name))
	}
	if err != nil {
		return err
	}
	changed := node.DeepCopy()
	changed.Status.Addresses = nodeAddresses(machine)
	return memory.Patch(ctx, changed, client.MergeFrom(node))
}

// newNode is what kubelet and cloud controller manager together make of a server.
func newNode(machine *clusterv1.Machine, name string) *corev1.Node {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.NodeSpec{ProviderID: machine.Spec.ProviderID},
		Status: corev1.NodeStatus{
			NodeInfo:  corev1.NodeSystemInfo{KubeletVersion: machine.Spec.Version},
			Addresses: nodeAddresses(machine),
		},
	}
	conditions := []struct {
		kind   corev1.NodeConditionType
		status corev1.ConditionStatus
	}{
		{corev1.NodeReady, corev1.ConditionTrue},
		{corev1.NodeMemoryPressure, corev1.ConditionFalse},
		{corev1.NodeDiskPressure, corev1.ConditionFalse},
		{corev1.NodePIDPressure, corev1.ConditionFalse},
	}
	for _, c := range conditions {
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
			Type: c.kind, Status: c.status, Reason: "Pretended", LastTransitionTime: metav1.Now(),
		})
	}
	if util.IsControlPlaneMachine(machine) {
		const role = "node-role.kubernetes.io/control-plane"
		node.Labels = map[string]string{role: ""}
		node.Spec.Taints = []corev1.Taint{{Key: role, Effect: corev1.TaintEffectNoSchedule}}
	}
	return node
}

func nodeAddresses(machine *clusterv1.Machine) []corev1.NodeAddress {
	var addresses []corev1.NodeAddress
	for _, a := range machine.Status.Addresses {
		addresses = append(addresses, corev1.NodeAddress{Type: corev1.NodeAddressType(a.Type), Address: a.Address})
	}
	return addresses
}

// etcdIDs are the annotations that make a pod an etcd member; derived from UIDs, they survive a restart.
func etcdIDs(cluster, machine types.UID) map[string]string {
	id := func(parts ...types.UID) string {
		hash := fnv.New32a()
		for _, part := range parts {
			_, _ = hash.Write([]byte(part + "/"))
		}
		return fmt.Sprint(hash.Sum32() | 1) // zero means "no member"
	}
	return map[string]string{
		cloudv1.EtcdClusterIDAnnotationName: id(cluster),
		cloudv1.EtcdMemberIDAnnotationName:  id(cluster, machine),
	}
}

// putControlPlane makes what kubeadm leaves behind, as far as KubeadmControlPlane reads it, and the pods of one node.
func putControlPlane(ctx context.Context, memory inmemory.Client, ids map[string]string, version, node string) error {
	etcd := newPod("etcd", node)
	etcd.Annotations = ids
	objects := append(kubeadmObjects(version), etcd)
	for _, component := range components {
		objects = append(objects, newPod(component, node))
	}
	for _, object := range objects {
		if err := ensure(ctx, memory, object); err != nil {
			return err
		}
	}
	return elect(ctx, memory)
}

// kubeadmObjects are read or changed by KubeadmControlPlane when versions change; names of images are data only.
func kubeadmObjects(version string) []client.Object {
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: kubeSystem, Name: name} }
	pod := func(name, image string) corev1.PodTemplateSpec {
		return corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: name, Image: image}}}}
	}
	const getNodes = "kubeadm:get-nodes"
	role := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: getNodes}
	coredns, proxy := pod("coredns", "example.invalid/coredns:v1.12.1"), pod("kube-proxy", "example.invalid/kube-proxy:"+version)
	return []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: getNodes}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: getNodes}, RoleRef: role},
		&corev1.ConfigMap{ObjectMeta: in("kubeadm-config"), Data: map[string]string{"ClusterConfiguration": ""}},
		&corev1.ConfigMap{ObjectMeta: in("coredns"), Data: map[string]string{"Corefile": ".:53 {\n}\n"}},
		&appsv1.Deployment{ObjectMeta: in("coredns"), Spec: appsv1.DeploymentSpec{Template: coredns}},
		&appsv1.DaemonSet{ObjectMeta: in("kube-proxy"), Spec: appsv1.DaemonSetSpec{Template: proxy}},
	}
}

// newPod is a static pod of the control plane, ready.
func newPod(component, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: kubeSystem,
			Name:      component + "-" + node,
			Labels:    map[string]string{"component": component, "tier": "control-plane"},
		},
		Spec: corev1.PodSpec{NodeName: node},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

// elect gives etcd a leader when no living member is one: after the first machine, or when the leader left unasked.
func elect(ctx context.Context, memory inmemory.Client) error {
	members := &corev1.PodList{}
	labels := client.MatchingLabels{"component": "etcd", "tier": "control-plane"}
	if err := memory.List(ctx, members, client.InNamespace(kubeSystem), labels); err != nil {
		return err
	}
	var candidate *corev1.Pod
	for i := range members.Items {
		member := &members.Items[i]
		if _, removed := member.Annotations[cloudv1.EtcdMemberRemoved]; removed {
			continue
		}
		if member.Annotations[cloudv1.EtcdLeaderFromAnnotationName] != "" {
			return nil
		}
		if candidate == nil || strings.Compare(member.Name, candidate.Name) < 0 {
			candidate = member
		}
	}
	if candidate == nil {
		return nil
	}
	leader := candidate.DeepCopy()
	leader.Annotations[cloudv1.EtcdLeaderFromAnnotationName] = time.Now().Format(time.RFC3339)
	return memory.Patch(ctx, leader, client.MergeFrom(candidate))
}

// deleteNode removes a node and, if it was one of the control plane, its pods and thereby its etcd member.
func deleteNode(ctx context.Context, memory inmemory.Client, m member) error {
	objects := []client.Object{&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.node}}}
	if m.controlPlane {
		for _, component := range append([]string{"etcd"}, components...) {
			objects = append(objects, newPod(component, m.node))
		}
	}
	for _, object := range objects {
		if err := client.IgnoreNotFound(memory.Delete(ctx, object)); err != nil {
			return err
		}
	}
	return nil
}
