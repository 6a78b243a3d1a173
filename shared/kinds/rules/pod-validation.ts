import type { PodDNSConfig, PodSpec, PodTemplateSpec, StatusCause } from '../../generated/types.ts';
import { forbidden, invalid, notSupported, required } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { validateContainers } from './container-validation.ts';
import { validateAnnotations, validateLabels } from './metadata.ts';
import { validateOs } from './os-validation.ts';
import { validatePodAnnotations } from './pod-annotations.ts';
import { validateAmounts, validateResources } from './resource-validation.ts';
import { validateScheduling } from './scheduling-validation.ts';
import { validateSecurity } from './security-validation.ts';
import { validateVolumes } from './volume-validation.ts';

/**
 * The rules between the fields of a pod's spec (those of single fields are options in `proto/`), in the words of
 * Kubernetes' core validation. `field`: the path of the spec, `spec` or `spec.template.spec`.
 */
export function validatePodSpec(spec: PodSpec, field: string, causes: StatusCause[]): void {
  validateVolumes(spec, field, causes);
  validateContainers(spec, field, causes);
  validateScheduling(spec, field, causes);
  validateSecurity(spec, field, causes);
  validateOs(spec, field, causes);
  if (spec.dnsConfig) validateDns(spec.dnsConfig, `${field}.dnsConfig`, causes);
  if (spec.dnsPolicy === 'None') {
    if (!spec.dnsConfig) {
      causes.push(required(`${field}.dnsConfig`, 'must provide `dnsConfig` when `dnsPolicy` is None'));
    } else if (!spec.dnsConfig.nameservers?.length) {
      const fault = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      causes.push(required(`${field}.dnsConfig.nameservers`, fault));
    }
  }
  if (spec.shareProcessNamespace && spec.hostPID) {
    const fault = 'ShareProcessNamespace and HostPID cannot both be enabled';
    causes.push(invalid(`${field}.shareProcessNamespace`, true, fault));
  }
  if (spec.overhead) validateAmounts(spec.overhead, `${field}.overhead`, causes);
  if (spec.resources) validateResources(spec.resources, `${field}.resources`, causes);
}

/** The rules of a pod template, in all kinds that have one. `noun`: the kind, for the message. */
export function validatePodTemplate(
  template: PodTemplateSpec,
  field: string,
  noun: string,
  causes: StatusCause[],
): void {
  const { metadata, spec } = template;
  if (metadata?.labels) validateLabels(metadata.labels, `${field}.metadata.labels`, causes);
  if (metadata?.annotations) validateAnnotations(metadata.annotations, `${field}.metadata.annotations`, causes);
  if (!spec) return;
  validatePodAnnotations(metadata?.annotations ?? {}, spec, `${field}.metadata.annotations`, causes);
  validatePodSpec(spec, `${field}.spec`, causes);
  if (spec.ephemeralContainers?.length) {
    causes.push(forbidden(`${field}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'));
  }
  if (noun !== '') validateRunsForEver(spec, `${field}.spec`, noun, causes);
}

/** Kinds that keep pods running require the restart policy Always. `field`: the path of the pod's spec. */
export function validateRunsForEver(spec: PodSpec, field: string, noun: string, causes: StatusCause[]): void {
  if (spec.restartPolicy !== undefined && spec.restartPolicy !== 'Always') {
    causes.push(notSupported(`${field}.restartPolicy`, spec.restartPolicy, ['Always']));
  }
  if (spec.activeDeadlineSeconds !== undefined) {
    const fault = `activeDeadlineSeconds in ${noun} is not Supported`;
    causes.push(forbidden(`${field}.activeDeadlineSeconds`, fault));
  }
}

/** Limits of the C library's resolver, as Kubernetes has them. */
function validateDns(
  { nameservers = [], searches = [], options = [] }: PodDNSConfig,
  field: string,
  causes: StatusCause[],
): void {
  if (nameservers.length > 3) {
    causes.push(invalid(`${field}.nameservers`, nameservers, 'must not have more than 3 nameservers'));
  }
  if (searches.length > 32) {
    causes.push(invalid(`${field}.searches`, searches, 'must not have more than 32 search paths'));
  }
  if (searches.join(' ').length > 2048) {
    causes.push(
      invalid(
        `${field}.searches`,
        searches,
        'must not have more than 2048 characters (including spaces) in the search list',
      ),
    );
  }
  for (const [index, search] of searches.entries()) {
    const fault = search === '.' ? undefined : isDnsSubdomain(search.replace(/\.$/, ''));
    if (fault) causes.push(invalid(`${field}.searches[${index}]`, search, fault));
  }
  for (const [index, { name, value = '' }] of options.entries()) {
    if (!name) causes.push(required(`${field}.options[${index}]`, 'must not be empty'));
    // Beyond Kubernetes: they become words of a line of resolv.conf.
    else if (!isWord(name)) causes.push(invalid(`${field}.options[${index}].name`, name, oneWord));
    if (!isWord(value)) causes.push(invalid(`${field}.options[${index}].value`, value, oneWord));
  }
}

const oneWord = 'must consist of printable ASCII characters without white space';

function isWord(text: string): boolean {
  return /^[!-~]*$/.test(text);
}
