import type { CronJob, CronJobSpec, StatusCause } from '../../generated/types.ts';
import { invalid, notSupported } from '../../schema/causes.ts';
import { isDnsSubdomain } from '../../schema/formats.ts';
import { formatSelector, selectorOf } from '../../selector.ts';
import { ageOf } from '../columns/age.ts';
import { ageColumn, count, nameColumn, templateColumns, text, wide } from '../columns/columns.ts';
import type { Behaviour, Column } from '../kind.ts';
import { scheduleFault } from '../rules/cron-schedule.ts';
import { validateJobSpec } from '../rules/job-validation.ts';
import { defaultPodSpec } from '../rules/pod-defaults.ts';
import { jobWarnings, nameWarnings } from '../warnings/workloads.ts';

/** A job's name is that of its cron job and eleven characters. */
const maxName = 52;
const policies = ['Allow', 'Forbid', 'Replace'];

export const cronJob: Behaviour<CronJob> = {
  nameFormat: isDnsSubdomain,
  columns: [
    nameColumn,
    text('Schedule', 'The schedule in cron syntax.', ({ spec }) => spec.schedule ?? ''),
    text('Timezone', 'The time zone of the schedule.', ({ spec }) => spec.timeZone ?? '<none>'),
    text('Suspend', 'Whether the schedule is suspended.', ({ spec: { suspend } }) => {
      return suspend === undefined ? '<unset>' : suspend ? 'True' : 'False';
    }),
    count('Active', 'Number of running jobs.', ({ status }) => status?.active?.length ?? 0),
    text('Last Schedule', 'The time since a job was last created.', ({ status }, now) =>
      status?.lastScheduleTime ? ageOf(status.lastScheduleTime, now) : '<none>',
    ),
    ageColumn as Column<CronJob>,
    ...templateColumns<CronJob>(({ spec }) => spec.jobTemplate?.spec?.template),
    wide('Selector', "The selector of the jobs' pods.", ({ spec }) =>
      formatSelector(selectorOf(spec.jobTemplate?.spec?.selector)),
    ),
  ],
  strategy: {
    default({ spec }) {
      const template = spec?.jobTemplate?.spec?.template;
      if (template?.spec) defaultPodSpec(template.spec);
    },
    prepareCreate(object) {
      object.status = {};
    },
    validate({ metadata, spec }, causes) {
      if ((metadata.name?.length ?? 0) > maxName) {
        causes.push(invalid('metadata.name', metadata.name, `must be no more than ${maxName} characters`));
      }
      if (spec) validateSpec(spec, causes);
    },
    warnings: ({ metadata, spec }, old) => [
      ...nameWarnings(metadata.name, old),
      ...jobWarnings(metadata, old, spec.jobTemplate?.spec, 'spec.jobTemplate.spec'),
    ],
  },
};

function validateSpec(spec: CronJobSpec, causes: StatusCause[]): void {
  const { schedule, timeZone, concurrencyPolicy, jobTemplate } = spec;
  if (schedule) {
    const fault = /TZ/.test(schedule)
      ? 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'
      : scheduleFault(schedule);
    if (fault) causes.push(invalid('spec.schedule', schedule, fault));
  }
  if (timeZone !== undefined) {
    const fault = zoneFault(timeZone);
    if (fault) causes.push(invalid('spec.timeZone', timeZone, fault));
  }
  if (concurrencyPolicy !== undefined && !policies.includes(concurrencyPolicy)) {
    causes.push(notSupported('spec.concurrencyPolicy', concurrencyPolicy, policies));
  }
  const job = jobTemplate?.spec;
  if (!job) return;
  validateJobSpec(job, 'spec.jobTemplate.spec', causes);
  if (job.selector) {
    causes.push(invalid('spec.jobTemplate.spec.selector', job.selector, '`selector` will be auto-generated'));
  }
  if (job.manualSelector === true) {
    causes.push(notSupported('spec.jobTemplate.spec.manualSelector', job.manualSelector, ['nil', 'false']));
  }
}

function zoneFault(zone: string): string | undefined {
  if (zone === '') return 'timeZone must be nil or non-empty string';
  if (zone.toLowerCase() === 'local') {
    return 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones';
  }
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return undefined;
  } catch (_unknown) {
    return `unknown time zone ${zone}`;
  }
}
