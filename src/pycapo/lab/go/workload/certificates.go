// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"

	"sigs.k8s.io/cluster-api/util/certs"
	"sigs.k8s.io/cluster-api/util/secret"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// issue makes a serving certificate signed by one of the CAs that Cluster API keeps in Secrets of the cluster, so that
// the kubeconfig and the etcd client certificates which it made work unchanged.
func issue(ctx context.Context, management client.Client, cluster client.ObjectKey, purpose secret.Purpose, key crypto.Signer, name, host string) (*tls.Certificate, error) {
	ca, signer, err := authority(ctx, management, cluster, purpose)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:     []string{name, "localhost", "kubernetes", "kubernetes.default.svc"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else {
		template.DNSNames = append(template.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: key}, nil
}

// authority reads a CA and its key, of whatever kind, from its Secret.
func authority(ctx context.Context, management client.Client, cluster client.ObjectKey, purpose secret.Purpose) (*x509.Certificate, crypto.Signer, error) {
	stored, err := secret.Get(ctx, management, cluster, purpose)
	if err != nil {
		return nil, nil, err
	}
	ca, err := certs.DecodeCertPEM(stored.Data[secret.TLSCrtDataName])
	if err != nil {
		return nil, nil, err
	}
	key, err := certs.DecodePrivateKeyPEM(stored.Data[secret.TLSKeyDataName])
	if err != nil {
		return nil, nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, fmt.Errorf("the key in Secret %s/%s cannot sign", stored.Namespace, stored.Name)
	}
	return ca, signer, nil
}
