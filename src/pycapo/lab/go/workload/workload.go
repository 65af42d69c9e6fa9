// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	inmemory "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/runtime"
	fakeapi "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/server/api"
	fakeetcd "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/server/etcd"
	"sigs.k8s.io/cluster-api/util/secret"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// member is one machine that joined.
type member struct {
	node         string
	controlPlane bool
	addresses    string // as last written to the node
}

// workload is one pretend cluster: its objects in memory, its members and its listener.
type workload struct {
	uid     types.UID
	name    client.ObjectKey
	address string // host:port of the control plane endpoint
	memory  inmemory.Client
	members map[types.UID]member // by the UID of the Machine
	server  *http.Server

	certificates sync.RWMutex // guards what a TLS handshake reads
	ofEtcd       map[string]*tls.Certificate
	ofAPI        *tls.Certificate
}

func newWorkload(ctx context.Context, memory inmemory.Manager, cluster *clusterv1.Cluster) (*workload, error) {
	endpoint := cluster.Spec.ControlPlaneEndpoint
	memory.AddResourceGroup(string(cluster.UID))
	w := &workload{
		uid:     cluster.UID,
		name:    client.ObjectKeyFromObject(cluster),
		address: net.JoinHostPort(endpoint.Host, fmt.Sprint(endpoint.Port)),
		memory:  memory.GetResourceGroup(string(cluster.UID)).GetClient(),
		members: map[types.UID]member{},
		ofEtcd:  map[string]*tls.Certificate{},
	}
	for _, name := range []string{"default", "kube-public", "kube-system"} {
		labels := map[string]string{"kubernetes.io/metadata.name": name}
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
		if err := ensure(ctx, w.memory, namespace); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *workload) serving() bool { return w.server != nil }

// certify makes the certificates of a control plane node: its etcd member's, and the API server's when there is none.
func (w *workload) certify(ctx context.Context, management client.Client, key crypto.Signer, node string) error {
	host, _, err := net.SplitHostPort(w.address)
	if err != nil {
		return err
	}
	etcd, err := issue(ctx, management, w.name, secret.EtcdCA, key, "etcd-"+node, host)
	if err != nil {
		return err
	}
	api, err := issue(ctx, management, w.name, secret.ClusterCA, key, "kube-apiserver", host)
	if err != nil {
		return err
	}
	w.certificates.Lock()
	defer w.certificates.Unlock()
	w.ofEtcd["etcd-"+node], w.ofAPI = etcd, api
	return nil
}

// certificate answers a handshake. A client of etcd, port-forwarded back to this very listener, names the pod it wants.
func (w *workload) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	w.certificates.RLock()
	defer w.certificates.RUnlock()
	if etcd := w.ofEtcd[hello.ServerName]; etcd != nil {
		return etcd, nil
	}
	return w.ofAPI, nil
}

// serve listens on the endpoint from the first control plane machine on.
func (w *workload) serve(memory inmemory.Manager, anyHost bool) error {
	if w.serving() {
		return nil
	}
	address, err := net.ResolveTCPAddr("tcp", w.address)
	if err != nil {
		return err
	}
	if !anyHost && !address.IP.IsLoopback() {
		return fmt.Errorf("endpoint %s of %s is no loopback address, so nothing here can serve it", w.address, w.name)
	}
	listener, err := net.ListenTCP("tcp", address)
	if err != nil {
		return err
	}
	w.server = &http.Server{
		ReadHeaderTimeout: 30 * time.Second,
		Handler:           withTables(w.handler(memory)),
		ErrorLog:          log.New(quiet{}, "", 0),
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: w.certificate},
	}
	go func(server *http.Server) {
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			klog.Errorf("cluster %s: %v", w.name, err)
		}
	}(w.server)
	klog.Infof("cluster %s: serves %s", w.name, listener.Addr())
	return nil
}

// handler answers the API and etcd's gRPC on one listener.
func (w *workload) handler(memory inmemory.Manager) http.Handler {
	// Each cluster has handlers of its own, so no request has to be looked at to know whose it is.
	own := func(string) (string, error) { return string(w.uid), nil }
	logger := ctrl.Log.WithValues("cluster", w.name.String())
	api, etcd := fakeapi.NewAPIServerHandler(memory, logger, own), fakeetcd.NewEtcdServerHandler(memory, logger, own)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			etcd.ServeHTTP(rw, r)
			return
		}
		api.ServeHTTP(rw, r)
	})
}

// quiet logs what a server complains of, without a complaint that the API server in memory earns with every watch.
type quiet struct{}

func (quiet) Write(line []byte) (int, error) {
	if !bytes.Contains(line, []byte("superfluous response.WriteHeader")) {
		klog.Info(strings.TrimSpace(string(line)))
	}
	return len(line), nil
}

// leave removes what belongs to machines that are gone; the last control plane machine takes the listener along.
func (w *workload) leave(ctx context.Context, living map[types.UID]bool) error {
	controlPlanes, left := 0, false
	for uid, m := range w.members {
		if living[uid] {
			if m.controlPlane {
				controlPlanes++
			}
			continue
		}
		if err := deleteNode(ctx, w.memory, m); err != nil {
			return err
		}
		delete(w.members, uid)
		w.certificates.Lock()
		delete(w.ofEtcd, "etcd-"+m.node)
		w.certificates.Unlock()
		left = true
		klog.Infof("cluster %s: node %s left", w.name, m.node)
	}
	if controlPlanes == 0 {
		w.stop()
		return nil
	}
	if left {
		return elect(ctx, w.memory)
	}
	return nil
}

func (w *workload) stop() {
	if w.serving() {
		_ = w.server.Close()
		w.server = nil
		klog.Infof("cluster %s: no longer served", w.name)
	}
}
